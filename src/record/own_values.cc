#include "record/own_values.h"

#include <array>
#include <cstddef>

namespace mmusim::record {
namespace {

struct Pair {
  uint32_t own;
  uint32_t generic;  // 0: there is none
};

constexpr uint32_t kFixed = 0x10;
constexpr uint32_t kAnonymous = 0x20;
constexpr uint32_t kGrowsDown = 0x100;
constexpr uint32_t kDenyWrite = 0x800;
constexpr uint32_t kExecutable = 0x1000;
constexpr uint32_t kLocked = 0x2000;
constexpr uint32_t kNoReserve = 0x4000;
constexpr uint32_t kPopulate = 0x8000;
constexpr uint32_t kNonBlock = 0x10000;
constexpr uint32_t kStack = 0x20000;
constexpr uint32_t kHugetlb = 0x40000;
constexpr uint32_t kFixedNoReplace = 0x100000;

// Each bit once: what has been read is not read again as another's.
template <size_t N>
uint32_t translated(uint32_t flags, const std::array<Pair, N>& pairs) {
  uint32_t generic = 0;
  for (const Pair& pair : pairs) {
    if ((flags & pair.own) == 0) continue;
    generic |= pair.generic;
    flags &= ~pair.own;
  }
  return generic | flags;
}

// asm-generic's; up to 34 all ISAs agree, but for alpha's 11.
constexpr uint32_t kTryAgain = 11;
constexpr uint32_t kDeadlock = 35;
constexpr uint32_t kNameTooLong = 36;
constexpr uint32_t kNoLocks = 37;
constexpr uint32_t kNoSystemCall = 38;
constexpr uint32_t kLoop = 40;
constexpr uint32_t kOverflow = 75;
constexpr uint32_t kNotSupported = 95;
constexpr uint32_t kStale = 116;
constexpr uint32_t kQuota = 122;

template <size_t N>
uint32_t translated_error(uint32_t error, const std::array<Pair, N>& pairs) {
  for (const Pair& pair : pairs)
    if (pair.own == error) return pair.generic;
  return error;
}

}  // namespace

uint32_t alpha_mmap_flags(uint32_t flags) {
  static constexpr std::array<Pair, 11> kPairs = {{{0x10, kAnonymous},
                                                   {0x100, kFixed},
                                                   {0x1000, kGrowsDown},
                                                   {0x2000, kDenyWrite},
                                                   {0x4000, kExecutable},
                                                   {0x8000, kLocked},
                                                   {0x10000, kNoReserve},
                                                   {0x20000, kPopulate},
                                                   {0x40000, kNonBlock},
                                                   {0x80000, kStack},
                                                   {0x100000, kHugetlb}}};
  const uint32_t no_replace = (flags & 0x200000) != 0 ? kFixedNoReplace : 0;
  return translated(flags & ~uint32_t{0x200000}, kPairs) | no_replace;
}

uint32_t power_mmap_flags(uint32_t flags) {
  static constexpr std::array<Pair, 2> kPairs = {{{0x40, kNoReserve}, {0x80, kLocked}}};
  return translated(flags, kPairs);
}

uint32_t sparc_mmap_flags(uint32_t flags) {
  // 0x80 is MAP_INHERIT, which nothing heeds.
  static constexpr std::array<Pair, 4> kPairs = {
      {{0x40, kNoReserve}, {0x80, 0}, {0x100, kLocked}, {0x200, kGrowsDown}}};
  return translated(flags, kPairs);
}

uint32_t alpha_advice(uint32_t advice) {
  constexpr uint32_t kOwnDontNeed = 6;
  constexpr uint32_t kDontNeed = 4;
  return advice == kOwnDontNeed ? kDontNeed : advice;
}

uint32_t alpha_sync_flags(uint32_t flags) {
  static constexpr std::array<Pair, 2> kPairs = {{{2, 4}, {4, 2}}};  // MS_SYNC, MS_INVALIDATE
  return translated(flags, kPairs);
}

uint32_t alpha_error(uint32_t error) {
  static constexpr std::array<Pair, 10> kPairs = {{{11, kDeadlock},
                                                   {35, kTryAgain},
                                                   {45, kNotSupported},
                                                   {62, kLoop},
                                                   {63, kNameTooLong},
                                                   {69, kQuota},
                                                   {70, kStale},
                                                   {77, kNoLocks},
                                                   {78, kNoSystemCall},
                                                   {112, kOverflow}}};
  return translated_error(error, kPairs);
}

uint32_t sparc_error(uint32_t error) {
  static constexpr std::array<Pair, 9> kPairs = {{{45, kNotSupported},
                                                  {62, kLoop},
                                                  {63, kNameTooLong},
                                                  {69, kQuota},
                                                  {70, kStale},
                                                  {78, kDeadlock},
                                                  {79, kNoLocks},
                                                  {90, kNoSystemCall},
                                                  {92, kOverflow}}};
  return translated_error(error, kPairs);
}

uint32_t high_lock_all_flags(uint32_t flags) {
  static constexpr std::array<Pair, 3> kPairs = {{{0x2000, 1}, {0x4000, 2}, {0x8000, 4}}};
  return translated(flags, kPairs);
}

}  // namespace mmusim::record
