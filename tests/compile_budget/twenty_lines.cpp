// budget: 20 s, 1000 MB; compiled: 5 s, 600 MB
// without: autodiff
// program: README.md Twenty lines
