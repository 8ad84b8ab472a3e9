// Runs a command and prints the processor time and the peak memory that it and its children took.
//   measure COMMAND [ARGUMENT...]   prints "SECONDS MEGABYTES" as its last line; exits as the command does
// (Processor time, because wall time measures the machine's other work; a compiler has one thread.)
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: measure COMMAND [ARGUMENT...]\n", stderr);
    return 2;
  }
  const pid_t child = fork();
  if (child == 0) {
    execvp(argv[1], argv + 1);
    std::perror(argv[1]);
    _exit(127);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) < 0) {
    std::perror("measure");
    return 1;
  }
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);  // of the child and of those it waited for: the compiler proper
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) * 1e-6; };
  std::printf("%.2f %.0f\n", seconds(used.ru_utime) + seconds(used.ru_stime), double(used.ru_maxrss) / 1024.0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
