module sloth.dev/source/pause

go 1.24
