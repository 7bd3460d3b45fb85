// Hash join: puts one relation into a hash table with chains, and looks up each tuple of another,
// larger one, of which about half have a partner.
#include "common.h"

struct tuple {
  uint64_t key;
  uint64_t payload;
};
struct entry {
  struct tuple tuple;
  uint32_t next;  // of the chain; kEnd at its end
};
enum { kEntryBytes = 24 };
static const uint32_t kEnd = UINT32_MAX;

int main(int argc, char** argv) {
  struct arguments a = arguments(argc, argv, 4 << 20, 200000);
  const uint32_t rows = elements(a.size, kEntryBytes + sizeof(uint32_t), 1);
  struct entry* const entries = allocate((uint64_t)rows * sizeof(struct entry));
  uint32_t* const buckets = allocate((uint64_t)rows * sizeof(uint32_t));
  for (uint32_t i = 0; i < rows; ++i)
    buckets[i] = kEnd;

  for (uint32_t i = 0; i < rows; ++i) {  // build: keys 0, 2, 4, ..., in random order of buckets
    const uint64_t key = (uint64_t)2 * i;
    uint32_t* const bucket = &buckets[(mixed(key) >> 32) * rows >> 32];
    entries[i] = (struct entry){{key, random64(&a.seed)}, *bucket};
    *bucket = i;
  }
  uint64_t checksum = 0;
  uint64_t matches = 0;
  for (uint64_t i = 0; i < a.work; ++i) {  // probe
    const uint64_t key = below(&a.seed, (uint64_t)2 * rows);
    for (uint32_t at = buckets[(mixed(key) >> 32) * rows >> 32]; at != kEnd; at = entries[at].next)
      if (entries[at].tuple.key == key) {
        checksum += entries[at].tuple.payload ^ i;
        ++matches;
      }
  }
  return done(added(checksum, matches));
}
