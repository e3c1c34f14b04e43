module sloth.dev/tests/probe

go 1.26
