// Pipeline: WORK times, as a shell would, four processes connected by pipes, each forked and then
// running this program anew: one makes lines, one drops some, one sorts, one adds up.
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

enum { kLineBytes = 32 };
static const char* const kStages[] = {"make", "filter", "sort", "sum"};
enum { kLast = 3 };

static int by_text(const void* a, const void* b) {
  return strcmp(*(char* const*)a, *(char* const*)b);
}

static int make(uint64_t size, uint64_t seed) {
  for (uint32_t i = elements(size, kLineBytes, 1); i > 0; --i)
    printf("%020" PRIu64 " %08" PRIx32 "\n", random64(&seed), i);
  return 0;
}

static int filter(void) {
  char line[256];
  while (fgets(line, sizeof(line), stdin) != NULL)
    if (strstr(line, "00") != NULL) fputs(line, stdout);
  return 0;
}

static int sort(void) {
  char line[256];
  char** lines = NULL;
  size_t count = 0, room = 0;
  while (fgets(line, sizeof(line), stdin) != NULL) {
    if (count == room) {
      room = room == 0 ? 64 : 2 * room;
      lines = realloc(lines, room * sizeof(char*));
      if (lines == NULL) fail("no memory");
    }
    lines[count] = allocate(strlen(line) + 1);
    strcpy(lines[count++], line);
  }
  qsort(lines, count, sizeof(char*), by_text);
  for (size_t i = 0; i < count; ++i)
    fputs(lines[i], stdout);
  return 0;
}

static int sum(void) {
  uint64_t checksum = 0;
  for (int c; (c = getchar()) != EOF;)
    checksum = (checksum ^ (uint64_t)c) * UINT64_C(0x100000001b3);
  printf("%" PRIu64 "\n", checksum);
  return 0;
}

static void start(char** argv, int stage, const char* size, const char* seed, int in, int out,
                  int unused) {
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child != 0) return;
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0) fail("dup2");
  if (in > 1) close(in);
  if (out > 1) close(out);
  if (unused > 1) close(unused);
  execl(argv[0], argv[0], kStages[stage], size, seed, (char*)NULL);
  fail(argv[0]);
}

// What one pipeline says.
static uint64_t run(char** argv, uint64_t size, uint64_t seed) {
  char size_text[32], seed_text[32], answer[32] = "";
  snprintf(size_text, sizeof(size_text), "%" PRIu64, size);
  snprintf(seed_text, sizeof(seed_text), "%" PRIu64, seed);
  int in = 0;
  for (int stage = 0; stage <= kLast; ++stage) {
    int ends[2];
    if (pipe(ends) != 0) fail("pipe");
    start(argv, stage, size_text, seed_text, in, ends[1], ends[0]);
    if (in != 0) close(in);
    close(ends[1]);
    in = ends[0];
  }
  for (size_t got = 0; got < sizeof(answer) - 1;) {
    const ssize_t more = read(in, answer + got, sizeof(answer) - 1 - got);
    if (more < 0) fail("read");
    if (more == 0) break;
    got += (size_t)more;
  }
  close(in);
  for (int stage = 0; stage <= kLast; ++stage) {
    int status;
    if (wait(&status) < 0 || status != 0) fail("a stage failed");
  }
  return strtoull(answer, NULL, 10);
}

int main(int argc, char** argv) {
  program = argv[0];
  if (argc == 4 && argv[1][0] >= 'a') {
    if (strcmp(argv[1], "make") == 0) return make(number(argv[2]), number(argv[3]));
    if (strcmp(argv[1], "filter") == 0) return filter();
    if (strcmp(argv[1], "sort") == 0) return sort();
    if (strcmp(argv[1], "sum") == 0) return sum();
  }
  struct arguments a = arguments(argc, argv, 64 << 10, 4);
  uint64_t checksum = 0;
  for (uint64_t i = 0; i < a.work; ++i)
    checksum = added(checksum, run(argv, a.size, random64(&a.seed)));
  return done(checksum);
}
