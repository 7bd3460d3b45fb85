// How the conformance kit says that a page table broke a promise.
//
// A check that fails throws a Broken: which promise, what was expected and what came. Who runs
// checks catches it and adds what had been done before. No GoogleTest: the kit is part of mmusim.
#ifndef MMUSIM_PT_CONFORMANCE_VERDICT_H_
#define MMUSIM_PT_CONFORMANCE_VERDICT_H_

#include <concepts>
#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <vector>

#include "base/types.h"
#include "pt/page_table.h"

namespace mmusim::pt::conformance {

struct Broken {
  std::string promise;  // a sentence
  std::string expected;
  std::string came;
};

template <std::unsigned_integral T>
requires(!std::same_as<T, bool>) std::string text_of(T value) {
  return fmt::format("{:#x}", value);
}
inline std::string text_of(bool value) {
  return value ? "yes" : "no";
}
inline std::string text_of(const std::vector<uint64_t>& values) {
  return fmt::format("{:#x}", fmt::join(values, ", "));
}
inline std::string text_of(Status status) {
  return name_of(status);
}
inline std::string text_of(VirtAddr va) {
  return text_of(va.value());
}
inline std::string text_of(PageShift size) {
  return fmt::format("2^{} bytes", size.log2());
}

inline std::string at_text(const char* what, uint64_t va) {
  return fmt::format("{} at {:#x}", what, va);
}

// A text, or what makes one: only a check that fails should pay for its words.
template <class Text>
std::string told(const Text& text) {
  if constexpr (std::invocable<Text>)
    return std::string(text());
  else
    return std::string(text);
}

// `what` says what is compared ("the entry found at 0x1000").
template <class T, class Text>
void expect_same(const T& came, const T& expected, const char* promise, const Text& what) {
  if (came == expected) return;
  throw Broken{promise, fmt::format("{} is {}", told(what), text_of(expected)), text_of(came)};
}
template <class Expected, class Came>
void expect(bool holds, const char* promise, const Expected& expected, const Came& came) {
  if (!holds) throw Broken{promise, told(expected), told(came)};
}

// The promises, in the words of page_table.h.
namespace promise {
inline constexpr const char* kFind = "find() says what the table holds";
inline constexpr const char* kVoid =
    "the void find() reports holds no entry, and is at least the page";
inline constexpr const char* kPeek = "peek() says what find() says and touches nothing";
inline constexpr const char* kWalk = "walk() says what find() says, and find() reports its steps";
inline constexpr const char* kSteps = "walk() names the words it reads, in tables, and no others";
inline constexpr const char* kLevels = "the level of a word is that of its table";
inline constexpr const char* kDepends =
    "a step is dependent if its address comes out of the step before, and only then";
inline constexpr const char* kBeside =
    "a step is beside the one before only if that does not say where it is";
inline constexpr const char* kBegins =
    "where a walk can begin, all addresses of the block come by, and by the same steps";
inline constexpr const char* kReported =
    "what an operation reads and writes in tables is reported to the sink";
inline constexpr const char* kVisit =
    "visit_tables() shows each table once, as it is, and parents first";
inline constexpr const char* kEnsure =
    "ensure() makes a slot of the size asked for, or says why there can be none";
inline constexpr const char* kInstall =
    "install() replaces the expected entry, and nothing else: Changed, BadAlign or Moved otherwise";
inline constexpr const char* kClear = "clear() empties the slot and gives the old entry";
inline constexpr const char* kStale = "a handle whose slot is gone says Moved";
inline constexpr const char* kCursor =
    "a cursor meets each leaf once, in order, also those that straddle the ends of the range";
inline constexpr const char* kCursorEnds = "a cursor comes to an end";
inline constexpr const char* kResume = "a cursor that seeks goes on as a fresh one would";
inline constexpr const char* kBuild =
    "a Build cursor makes slots for base pages wherever the range has none";
inline constexpr const char* kSplit = "split() changes sizes of leaves and no translation";
inline constexpr const char* kPromote =
    "promote() makes one leaf of uniform ones and changes no translation";
inline constexpr const char* kCopy =
    "copy_ranges() makes the twin of every run in the ranges, and only of those";
inline constexpr const char* kMove = "move_range() moves every leaf of the range and no other";
inline constexpr const char* kMoveBack = "a moved prefix can be moved back without memory";
inline constexpr const char* kTrim = "trim() never loses a leaf and can be repeated";
inline constexpr const char* kTrimKeeps =
    "trim() frees no table that serves an address outside floor and ceiling, or a leaf";
inline constexpr const char* kTrimFrees =
    "trim() frees the tables that serve addresses of the gap only, and no leaf";
inline constexpr const char* kGatherRange =
    "the gather's range reaches into what each freed table served, and not beyond";
inline constexpr const char* kReserve =
    "split() does not fail for memory if what split_reserve() says was set aside";
inline constexpr const char* kGather =
    "table memory goes into the gather and is not freed before the flush";
inline constexpr const char* kNoMemory =
    "NoMemory leaves the table valid and its leaves as they were";
inline constexpr const char* kAccount = "stats() agrees with the allocator and with the leaves";
inline constexpr const char* kNothingLeft = "nothing is left behind";
inline constexpr const char* kFrees = "table memory is given back as it was allocated";
inline constexpr const char* kKept =
    "entries that are neither none nor present come back as they were stored";
inline constexpr const char* kSharing = "what one user of a shared sub-tree changes, all see";
inline constexpr const char* kUnshare = "unshare() makes what translates an address one's own";
inline constexpr const char* kLeave = "leave() leaves nothing here and everything to the others";
inline constexpr const char* kAlive = "the page table neither crashes nor hangs";
}  // namespace promise

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_VERDICT_H_
