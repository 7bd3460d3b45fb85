#include "record/plugin/remap.h"

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include "record/plugin/imports.h"

namespace mmusim::record::plugin {
namespace {

constexpr int kReservation = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

thread_local Stay stays = Stay::No;
thread_local uintptr_t kept =
    0;  // an area that has stayed, which QEMU will reserve as if it had not

void* at(uintptr_t address) {
  return reinterpret_cast<void*>(address);
}
void reserve(uintptr_t begin, size_t bytes) {
  static_cast<void>(mmap(at(begin), bytes, PROT_NONE, kReservation | MAP_FIXED_NOREPLACE, -1, 0));
}
bool remaps(uintptr_t old, size_t old_bytes, size_t bytes) {
  return syscall(SYS_mremap, old, old_bytes, bytes, 0, nullptr) != -1;
}

// Tries to leave [old, old + old_bytes) where it is. QEMU has reserved the `bytes` at `place`,
// which may be just what it grows into.
bool remap_in_place(uintptr_t old, size_t old_bytes, size_t bytes, uintptr_t place) {
  const uintptr_t end = place + bytes;
  const uintptr_t overlap = place > old && place < old + bytes ? old + bytes - place : 0;
  if (overlap != 0) munmap(at(place), overlap);
  if (remaps(old, old_bytes, bytes)) {
    munmap(at(place + overlap), end - place - overlap);
    return true;
  }
  if (overlap != 0) reserve(place, overlap);
  return false;
}

// The same where all that the program has not mapped is reserved.
bool remap_in_reservation(uintptr_t old, size_t old_bytes, size_t bytes) {
  if (bytes > old_bytes) munmap(at(old + old_bytes), bytes - old_bytes);
  const bool stayed = remaps(old, old_bytes, bytes);
  if (stayed) kept = old;
  if (stayed && bytes < old_bytes) reserve(old + bytes, old_bytes - bytes);
  if (!stayed && bytes > old_bytes) reserve(old + old_bytes, bytes - old_bytes);
  return stayed;
}

size_t whole_pages(size_t bytes) {
  return (bytes + 4095) & ~size_t{4095};
}

// In QEMU's place.
void* remap(void* old, size_t old_bytes, size_t bytes, int flags, ...) {
  void* place = nullptr;
  if ((flags & MREMAP_FIXED) != 0) {
    va_list rest;
    va_start(rest, flags);
    place = va_arg(rest, void*);
    va_end(rest);
    const Stay stay = std::exchange(stays, Stay::No);
    const auto from = reinterpret_cast<uintptr_t>(old);
    const size_t whole_old = whole_pages(old_bytes);
    const size_t whole = whole_pages(bytes);
    if ((stay == Stay::Host &&
         remap_in_place(from, whole_old, whole, reinterpret_cast<uintptr_t>(place))) ||
        (stay == Stay::Reserved && remap_in_reservation(from, whole_old, whole)))
      return old;
  }
  return reinterpret_cast<void*>(syscall(SYS_mremap, old, old_bytes, bytes, flags, place));
}

void* map(void* place, size_t bytes, int rights, int flags, int file, off_t offset) {
  if (reinterpret_cast<uintptr_t>(place) == kept && kept != 0 && rights == PROT_NONE &&
      (flags & MAP_FIXED) != 0) {
    kept = 0;
    return place;
  }
  return mmap(place, bytes, rights, flags, file, offset);
}

}  // namespace

bool take_mremap() {
  if (!replace_import("mremap", reinterpret_cast<void*>(&remap))) return false;
  const bool plain = replace_import("mmap", reinterpret_cast<void*>(&map));
  return replace_import("mmap64", reinterpret_cast<void*>(&map)) || plain;
}

void stay_if_possible(Stay stay) {
  stays = stay;
  kept = 0;
}

}  // namespace mmusim::record::plugin
