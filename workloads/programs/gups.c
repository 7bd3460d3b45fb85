// Random update: reads, changes and writes words of a table at random places.
#include "common.h"

int main(int argc, char** argv) {
  struct arguments a = arguments(argc, argv, 8 << 20, 400000);
  const uint32_t count = elements(a.size, sizeof(uint64_t), 1);
  uint64_t* const table = allocate((uint64_t)count * sizeof(uint64_t));
  for (uint32_t i = 0; i < count; ++i)
    table[i] = i;
  for (uint64_t i = 0; i < a.work; ++i) {
    const uint64_t value = random64(&a.seed);
    table[(value >> 32) * count >> 32] ^= value;
  }
  uint64_t checksum = 0;
  for (uint32_t i = 0; i < count; ++i)
    checksum = added(checksum, table[i]);
  return done(checksum);
}
