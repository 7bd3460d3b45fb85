// Sort: quicksort of records of 16 bytes, by a recursion into the smaller part, over WORK fillings
// of the array.
#include "common.h"

struct record {
  uint64_t key;
  uint64_t payload;
};

static void sort(struct record* records, uint32_t count) {
  while (count > 16) {
    const uint64_t a = records[0].key, b = records[count / 2].key, c = records[count - 1].key;
    const uint64_t pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
    uint32_t low = 0, high = count - 1;
    for (;;) {
      while (records[low].key < pivot)
        ++low;
      while (records[high].key > pivot)
        --high;
      if (low >= high) break;
      const struct record record = records[low];
      records[low++] = records[high];
      records[high--] = record;
    }
    // Below `low` is nothing above the pivot, from there on nothing below it.
    if (low < count - low) {
      sort(records, low);
      records += low;
      count -= low;
    } else {
      sort(records + low, count - low);
      count = low;
    }
  }
  for (uint32_t i = 1; i < count; ++i) {
    const struct record record = records[i];
    uint32_t at = i;
    for (; at > 0 && records[at - 1].key > record.key; --at)
      records[at] = records[at - 1];
    records[at] = record;
  }
}

int main(int argc, char** argv) {
  struct arguments a = arguments(argc, argv, 1 << 20, 1);
  const uint32_t count = elements(a.size, sizeof(struct record), 1);
  struct record* const records = allocate((uint64_t)count * sizeof(struct record));
  uint64_t checksum = 0;
  for (uint64_t round = 0; round < a.work; ++round) {
    for (uint32_t i = 0; i < count; ++i) {
      const uint64_t key = random64(&a.seed);
      records[i] = (struct record){key, mixed(key)};
    }
    sort(records, count);
    for (uint32_t i = 0; i < count; ++i) {
      if (i > 0 && records[i - 1].key > records[i].key) fail("not sorted");
      checksum = added(checksum, records[i].payload);
    }
  }
  return done(checksum);
}
