// budget: -; compiled: 14 s, 1000 MB
// program: README.md Training
