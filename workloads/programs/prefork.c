// Prefork server: builds a table, forks kWorkers workers that share it copy on write, and sends
// each its requests through a pipe. A worker reads the table, and changes its own copy of it now
// and then.
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

enum { kWorkers = 4, kLoads = 32 };

static uint64_t* table;
static uint32_t count;

static void write_all(int fd, const void* from, size_t bytes) {
  if (write(fd, from, bytes) != (ssize_t)bytes) fail("write");
}

// Requests are numbers; each is answered by one.
static int serve(int requests, int answers) {
  uint64_t request;
  for (;;) {
    const ssize_t got = read(requests, &request, sizeof(request));
    if (got == 0) return 0;
    if (got != sizeof(request)) fail("read");
    uint64_t random = request;
    uint64_t answer = 0;
    for (int i = 0; i < kLoads; ++i)
      answer = added(answer, table[below(&random, count)]);
    if (request % 4 == 0) table[below(&random, count)] ^= answer;
    write_all(answers, &answer, sizeof(answer));
  }
}

int main(int argc, char** argv) {
  struct arguments a = arguments(argc, argv, 2 << 20, 2000);
  count = elements(a.size, sizeof(uint64_t), 1);
  table = allocate((uint64_t)count * sizeof(uint64_t));
  for (uint32_t i = 0; i < count; ++i)
    table[i] = mixed(i);

  int to[kWorkers], from[kWorkers];
  for (int i = 0; i < kWorkers; ++i) {
    int requests[2], answers[2];
    if (pipe(requests) != 0 || pipe(answers) != 0) fail("pipe");
    const pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      for (int other = 0; other < i; ++other) {  // else they would never see an end of file
        close(to[other]);
        close(from[other]);
      }
      close(requests[1]);
      close(answers[0]);
      return serve(requests[0], answers[1]);
    }
    close(requests[0]);
    close(answers[1]);
    to[i] = requests[1];
    from[i] = answers[0];
  }
  uint64_t checksum = 0;
  for (uint64_t i = 0; i < a.work; i += kWorkers) {
    for (int w = 0; w < kWorkers; ++w) {  // all work at once
      const uint64_t request = random64(&a.seed);
      write_all(to[w], &request, sizeof(request));
    }
    for (int w = 0; w < kWorkers; ++w) {
      uint64_t answer;
      if (read(from[w], &answer, sizeof(answer)) != sizeof(answer)) fail("read");
      checksum = added(checksum, answer);
    }
  }
  for (int w = 0; w < kWorkers; ++w)
    close(to[w]);
  for (int w = 0; w < kWorkers; ++w) {
    int status;
    if (wait(&status) < 0 || status != 0) fail("a worker failed");
  }
  return done(checksum);
}
