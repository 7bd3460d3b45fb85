// Pointer chase: follows a circle through all nodes of a heap, in random order, so that each load
// waits for the one before and goes to another page.
#include "common.h"

enum { kNodeBytes = 64 };

struct node {
  struct node* next;
  uint32_t number;
};

int main(int argc, char** argv) {
  struct arguments a = arguments(argc, argv, 4 << 20, 400000);
  const uint32_t count = elements(a.size, kNodeBytes, 2);
  struct node** const nodes = allocate((uint64_t)count * sizeof(struct node*));
  for (uint32_t i = 0; i < count; ++i) {
    nodes[i] = allocate(kNodeBytes - 16);  // with what malloc puts before it: 64 on most machines
    nodes[i]->number = i;
  }
  for (uint32_t i = count - 1; i > 0; --i) {  // shuffled
    const uint32_t other = below(&a.seed, (uint64_t)i + 1);
    struct node* const node = nodes[i];
    nodes[i] = nodes[other];
    nodes[other] = node;
  }
  for (uint32_t i = 0; i < count; ++i)
    nodes[i]->next = nodes[i + 1 < count ? i + 1 : 0];

  uint64_t checksum = 0;
  const struct node* at = nodes[0];
  free(nodes);
  for (uint64_t i = 0; i < a.work; ++i) {
    checksum += at->number ^ i;
    at = at->next;
  }
  return done(added(checksum, count));
}
