// Sparse address space: small areas far from each other, each in a page table of its own, visited
// in random order.
#include <sys/mman.h>

#include "common.h"

// 64 to 192 GiB, which every 64-bit machine has; 1 to 2 GiB of those with 32 bits.
enum { kArea = 64 << 10, kStride = 4096 };
static const uint64_t kFrom = sizeof(void*) == 8 ? UINT64_C(1) << 36 : UINT64_C(1) << 30;
static const uint64_t kSpan = sizeof(void*) == 8 ? UINT64_C(1) << 37 : UINT64_C(1) << 30;

int main(int argc, char** argv) {
  struct arguments a = arguments(argc, argv, 16 << 20, 200000);
  const uint32_t count = elements(a.size, kArea, 1);
  const uint64_t distance = kSpan / count / kArea * kArea;
  if (distance < kArea) fail("SIZE is too large for the address space");
  unsigned char** const areas = allocate((uint64_t)count * sizeof(unsigned char*));
  for (uint32_t i = 0; i < count; ++i) {
    void* const wanted = (void*)(uintptr_t)(kFrom + i * distance);
    areas[i] = mmap(wanted, kArea, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (areas[i] == MAP_FAILED) fail("mmap");
  }
  uint64_t checksum = 0;
  for (uint64_t i = 0; i < a.work; ++i) {
    unsigned char* const area = areas[below(&a.seed, count)];
    const uint32_t at = below(&a.seed, kArea / kStride) * kStride;
    checksum += ++area[at] * (i | 1);
  }
  return done(added(checksum, count));
}
