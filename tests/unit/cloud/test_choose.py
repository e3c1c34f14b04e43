"""Where new nodes go: preferences, fallbacks, spreading, and every problem at once."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sloth.cloud.choose import choose, pool_of, wanted
from sloth.model.cloud import Catalogue, Quota, Size, Wanted
from tests.unit.cloud.toy import TOY, catalogue, names, pool, spec


def ask(*pools, offer=None, new=None, known=None, pinned=None, **provider):
    return choose(TOY, spec(*pools, **provider), offer or catalogue(), new or names(*pools), known or {}, pinned=pinned)


def codes(problems):
    return [problem.code for problem in problems]


def test_the_first_size_and_locations_in_turn():
    placements, problems = ask(pool(count=4, size=["small", "big"], location=["north", "south"]))
    assert problems == []
    assert [place["location"] for place in placements.values()] == ["north", "south", "north", "south"]
    assert placements["work-1"] == {
        "size": "small", "location": "north", "image": "img-7", "image_name": "debian-12", "price": 4.5, "currency": "EUR",
    }  # fmt: skip


def test_a_pool_takes_what_it_does_not_say_from_its_provider():
    placements, problems = ask(pool(count=1), size="small", location="south")
    assert problems == []
    assert (placements["work-1"]["size"], placements["work-1"]["location"]) == ("small", "south")


def test_a_size_that_the_next_place_has_not_goes_to_another_place_and_says_so():
    placements, problems = ask(pool(count=2, size=["big", "small"], location=["north", "south"]))
    assert problems == []
    assert [place["location"] for place in placements.values()] == ["north", "north"]
    assert "why" not in placements["work-1"]
    assert placements["work-2"]["why"] == "big cannot be had in south"


def test_the_next_size_is_taken_where_the_first_is_nowhere():
    placements, problems = ask(pool(count=1, size=["big", "small"], location="south"))
    assert problems == []
    assert placements["work-1"]["size"] == "small"
    assert placements["work-1"]["why"] == "big cannot be had in south"


def test_a_new_node_goes_where_fewest_of_its_pool_are():
    known = {"work-1": {"location": "north"}, "work-3": {"location": "north"}, "work-2": {"location": "south"}}
    placements, _ = ask(pool(count=4, size="small", location=["north", "south"]), new=["work-4"], known=known)
    assert set(placements) == {"work-4"}
    assert placements["work-4"]["location"] == "south"


def test_pools_of_one_role_do_not_all_begin_at_the_first_place():
    both = [pool(name, 1, "control-plane", size="small", location=["north", "south"]) for name in ("a", "b")]
    placements, _ = ask(*both)
    assert [place["location"] for place in placements.values()] == ["north", "south"]


def test_a_cloud_that_lists_nothing_is_taken_at_the_users_word():
    placements, problems = ask(pool(count=1, size="x9", location="mars"), offer=catalogue(sizes=None, locations=frozenset()))
    assert problems == []
    assert (placements["work-1"]["size"], placements["work-1"]["location"]) == ("x9", "mars")


def test_a_cloud_that_tells_of_nothing_that_was_asked_for_has_nothing():
    _, problems = ask(pool(count=1, size="small", location="north"), offer=catalogue(sizes={}, images={}))
    assert codes(problems) == ["cloud/unknown-size"]
    _, problems = ask(pool(count=1, size="small", location="north"), offer=catalogue(images={}))
    assert codes(problems) == ["cloud/unknown-image"]


def test_all_problems_at_once_and_where_they_are_written():
    offer = catalogue(quotas=(Quota(what="servers", limit=3, used=2), Quota(what="vCPUs", limit=100, used=0)))
    _, problems = ask(
        pool("cp", 1, size="smal", location="north"),
        pool("work", 1, size="small", location="nord"),
        pool("arms", 1, size="arm", location="south"),
        pool("apps", 1, size="big", location="south"),
        pool("old", 1, size="small", location="south", image="debian-11"),
        offer=offer,
    )
    found = {problem.code: problem for problem in problems}
    assert sorted(found) == [
        "cloud/architecture", "cloud/not-available", "cloud/quota", "cloud/unknown-image", "cloud/unknown-location",
        "cloud/unknown-size",
    ]  # fmt: skip
    assert len(problems) == 6
    assert found["cloud/unknown-size"].where == "spec.pools[cp].size"
    assert found["cloud/unknown-size"].hint == "did you mean `small`?"
    assert found["cloud/unknown-location"].hint == "did you mean `north`?"
    assert found["cloud/unknown-image"].where == "spec.pools[old].image"
    assert "add a location such as north" in found["cloud/not-available"].hint
    assert "3 servers, 2 are in use, and 5 more are wanted" in found["cloud/quota"].summary


def test_what_several_pools_take_from_the_provider_is_one_problem():
    _, problems = ask(pool("a", 1), pool("b", 1), size="smal", location="north")
    assert [(problem.code, problem.where) for problem in problems] == [("cloud/unknown-size", "spec.providers.toy.size")]


def test_quotas_count_what_the_cloud_counts():
    nodes = pool(count=2, size="small", location="north", volumes=[{"name": "a", "size": "1Gi"}, {"name": "b", "size": "1Gi"}])
    for what, limit, fine in [
        ("vCPUs", 4, True), ("vCPUs", 3, False), ("Droplets", 2, True), ("Droplets", 1, False),
        ("volumes", 4, True), ("volumes", 3, False), ("servers", -1, True), ("fixed addresses", 0, True),
        ("memory (MiB)", 8192, True), ("memory (MiB)", 8191, False),
    ]:  # fmt: skip
        _, problems = ask(nodes, offer=catalogue(quotas=(Quota(what=what, limit=limit),)))
        assert (codes(problems) == []) == fine, (what, limit)


def test_what_a_pool_without_new_nodes_asks_for_is_not_looked_at():
    placements, problems = ask(
        pool("old", 1, size="gone", location="gone"), pool("work", 1, size="small", location="north"), new=["work-1"]
    )
    assert problems == []
    assert set(placements) == {"work-1"}


def test_images_that_differ_from_place_to_place():
    offer = catalogue(images={"debian-12@north": "ami-n", "debian-12@south": "ami-s"})
    placements, problems = ask(pool(count=2, size="small", location=["north", "south"]), offer=offer)
    assert problems == []
    assert [place["image"] for place in placements.values()] == ["ami-n", "ami-s"]
    _, problems = ask(
        pool(count=2, size="small", location=["north", "south"]), offer=catalogue(images={"debian-12@north": "ami-n"})
    )
    assert codes(problems) == ["cloud/unknown-image"]
    assert "in south" in problems[0].summary


def test_a_pinned_image_wins_and_an_id_is_its_own_name():
    placements, _ = ask(pool(count=1, size="small", location="north"), pinned={"debian-12": "img-3"})
    assert placements["work-1"]["image"] == "img-3"
    placements, problems = ask(pool(count=1, size="small", location="north", image="img-7"))
    assert (placements["work-1"]["image"], problems) == ("img-7", [])


def test_what_is_asked_of_the_catalogue():
    asked = wanted(TOY, spec(pool("a", size=["x", "y"]), pool("b", size="y", image="own"), size="z", location="north"))
    assert asked == Wanted(sizes=("x", "y"), locations=("north",), images=("debian-12", "own"))


WORDS = st.sampled_from(["a", "b", "c", "d"])
LISTS = st.lists(WORDS, min_size=1, max_size=4, unique=True)
OFFERS = st.dictionaries(WORDS, st.frozensets(WORDS), max_size=4)


def offers(sizes, locations):
    return Catalogue(
        locations=frozenset(locations),
        sizes={name: Size(name=name, locations=places or frozenset({"nowhere"})) for name, places in sizes.items()} or None,
        images={"debian-12": "i"},
    )


@given(LISTS, LISTS, OFFERS, LISTS, st.integers(1, 9))
def test_every_new_node_is_placed_as_offered_or_there_is_a_problem(sizes, locations, had, there, count):
    workers = pool(count=count, size=sizes, location=locations)
    placements, problems = ask(workers, offer=offers(had, there))
    assert placements.keys() <= set(names(workers))
    assert problems or len(placements) == count
    for place in placements.values():
        assert place["size"] in sizes
        assert place["location"] in locations
        assert place["location"] in there
        if had:
            assert place["location"] in had[place["size"]]
    said = {(problem.code, problem.summary.split("`")[1]) for problem in problems if "unknown" in problem.code}
    assert {word for code, word in said if code == "cloud/unknown-size"} == {size for size in sizes if had and size not in had}
    assert {word for code, word in said if code == "cloud/unknown-location"} == set(locations) - set(there)


@given(LISTS, st.integers(1, 12), st.lists(st.integers(1, 12), unique=True, max_size=6))
def test_nodes_are_spread_evenly_and_nobody_moves(locations, count, gone):
    workers = pool(count=count, size="s", location=locations)
    offer = offers({}, locations)
    first, _ = ask(workers, offer=offer)
    spread = Counter(place["location"] for place in first.values())
    assert max(spread.values()) - min(spread[place] for place in locations) <= 1
    # Some nodes go and come back: the others are not asked about, and all together are spread again.
    left = {name: place for name, place in first.items() if int(name.rpartition("-")[2]) not in gone}
    new = [name for name in first if name not in left]
    again, problems = choose(TOY, spec(workers), offer, new, left)
    assert problems == []
    assert set(again) == set(new)
    assert all(pool_of(name) == "work" for name in again)


@given(LISTS, LISTS, OFFERS, st.integers(1, 5))
def test_the_same_question_has_the_same_answer(sizes, locations, had, count):
    workers = pool(count=count, size=sizes, location=locations)
    offer = offers(had, locations)
    one, other = ask(workers, offer=offer), ask(workers, offer=offer)
    assert one[0] == other[0]
    assert codes(one[1]) == codes(other[1])
