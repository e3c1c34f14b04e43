import time
def test_try(shop):
    for words in (["plan"], ["up"], ["up"], ["down", "--yes"]):
        shop.gate.counts.clear()
        t=time.monotonic()
        done = shop.run(*words, code=None)
        print(words, time.monotonic()-t, dict(shop.gate.counts), done.text[-1500:])
    print([str(p) for p in shop.folder.rglob("*")])
    assert 0
