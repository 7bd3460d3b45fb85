#include "pt/conformance/words.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "pt/conformance/tables.h"
#include "pt/conformance/verdict.h"
#include "pt/conformance/watch.h"

namespace mmusim::pt::conformance {
namespace {

constexpr uint64_t kWord = sizeof(uint64_t);
constexpr uint64_t kLine = 64;  // the least a cache may have
// The widest instruction that reads several words at once and is seen at the first.
constexpr ptrdiff_t kWidestRead = 32;

std::string step_text(const WalkStep& step) {
  return fmt::format("{} bytes at physical {:#x}, level {}{}", step.bytes, step.address.value(),
                     step.level, step.dependent ? ", dependent" : "");
}
std::string of_walk(const char* what, VirtAddr va) {
  return fmt::format("{} of walk({:#x})", what, va.value());
}

bool holds(const Machine& machine, const WalkStep& step, Entry entry) {
  const uint64_t size = machine.format.entry_bytes;
  for (uint64_t at = 0; at + size <= step.bytes; at += size) {
    const std::byte* const word = host_word(machine, step.address + at);
    if (word == nullptr) return false;
    Entry there = 0;
    std::memcpy(&there, word, size);
    if (there == entry) return true;
  }
  return false;
}

}  // namespace

References::References(const Machine& machine, mem::Origin origin) {
  for (unsigned level = 0; level < mem::kMaxLevels; ++level)
    for (const bool write : {false, true})
      counts_[level][write ? 1 : 0] = machine.sink.count(origin, level, write);
}

uint64_t References::writes() const {
  uint64_t sum = 0;
  for (const auto& level : counts_)
    sum += level[1];
  return sum;
}

uint64_t References::total() const {
  uint64_t sum = 0;
  for (const auto& level : counts_)
    sum += level[0] + level[1];
  return sum;
}

const std::byte* host_word(const Machine& machine, PhysAddr address) {
  const uint64_t* const word = machine.memory.find_words(PhysAddr(address.value() & ~(kWord - 1)));
  if (word == nullptr) return nullptr;
  return reinterpret_cast<const std::byte*>(word) + address.value() % kWord;
}

std::optional<PhysAddr> simulated(const Machine& machine, const std::byte* host) {
  for (uint64_t pfn = 0; pfn < machine.memory.total_frames(); ++pfn) {
    const PhysAddr address = machine.memory.address_of(Pfn(pfn));
    const auto* const words =
        reinterpret_cast<const std::byte*>(machine.memory.find_words(address));
    if (words != nullptr && host >= words && host < words + machine.page.bytes())
      return address + static_cast<uint64_t>(host - words);
  }
  return std::nullopt;
}

void check_steps(const Machine& machine, VirtAddr va, const Lookup& found, const WalkPath& path) {
  const auto steps = path.steps();
  bool held = false;
  for (const WalkStep& step : steps) {
    const bool in_line = step.bytes != 0 && step.bytes <= kLine &&
                         step.address.value() % kLine + step.bytes <= kLine;
    expect(in_line, promise::kSteps, "1 to 64 bytes within one line",
           [&] { return step_text(step); });
    expect(
        step.level < mem::kMaxLevels, promise::kLevels,
        [&] { return fmt::format("a level below {}", mem::kMaxLevels); },
        [&] { return step_text(step); });
    expect(
        host_word(machine, step.address) != nullptr, promise::kSteps,
        [&] { return of_walk("a word of a table, as a step", va); },
        [&] { return step_text(step); });
    held = held || (found.entry != kNone && holds(machine, step, found.entry));
  }
  expect(
      steps.empty() || !steps[0].dependent, promise::kDepends,
      [&] { return of_walk("nothing before the first step", va); },
      [&] { return step_text(steps[0]); });
  for (size_t i = 0; i < steps.size(); ++i)
    expect(
        !steps[i].beside || (i != 0 && !steps[i].dependent), promise::kBeside,
        [&] { return of_walk("a step before it, on which it does not depend,", va); },
        [&] { return step_text(steps[i]) + ", beside it"; });
  expect(
      found.entry == kNone || held || path.count() > steps.size(), promise::kSteps,
      [&] {
        return fmt::format("a step of walk({:#x}) that holds {:#x}", va.value(), found.entry);
      },
      "none");
  expect(
      path.count() > steps.size() || found.entry == kNone || found.size != machine.page ||
          std::any_of(steps.begin(), steps.end(),
                      [&](const WalkStep& step) {
                        return step.level == 0 && holds(machine, step, found.entry);
                      }) ||
          steps[0].level == 0,
      promise::kLevels,
      [&] { return of_walk("level 0 for the leaf's word, or for the first one,", va); },
      [&] { return step_text(steps.back()); });
}

void check_reported(const Machine& machine, const PageTable& table, VirtAddr va, mem::Origin origin,
                    const References& before) {
  const References after(machine, origin);
  WalkPath path;
  static_cast<void>(table.walk(va, path));
  std::array<uint64_t, mem::kMaxLevels> expected{};
  for (const WalkStep& step : path.steps())
    ++expected[step.level % mem::kMaxLevels];
  for (unsigned level = 0; level < mem::kMaxLevels; ++level) {
    expect_same(
        after.at(level, false) - before.at(level, false), expected[level], promise::kWalk, [&] {
          return fmt::format("the number of level {} words find({:#x}) reports", level, va.value());
        });
    expect_same(after.at(level, true), before.at(level, true), promise::kWalk,
                "the number of words written");
  }
}

namespace {

constexpr unsigned kLevelBits = 9;

// log2 of what a slot serves. Where each slot is for any part, only the table's author knows of
// what size he takes it to be: at most half of what the table serves ...
unsigned slot_log2(const TableNode& node) {
  if (!node.indexed) return node.slots > 1 ? node.covers - 1 : node.covers;
  return node.covers - static_cast<unsigned>(std::bit_width(uint64_t{node.slots}) - 1);
}
// ... and no less than what it leads to.
unsigned slot_log2(const TableNode& node, const TableNode& below) {
  return node.indexed ? slot_log2(node) : below.covers;
}

}  // namespace

void check_tables_walked(const Machine& machine, const PageTable& table, VirtAddr va,
                         const Lookup& found, const WalkPath& path) {
  const TableMap tables = tables_of(table);
  const auto node_at = [&](PhysAddr address) -> const TableNode* {
    auto next = tables.upper_bound(address.value());
    if (next == tables.begin()) return nullptr;
    const TableNode& node = std::prev(next)->second;
    return address.value() < node.address.value() + node.bytes ? &node : nullptr;
  };
  const TableNode* before = nullptr;
  unsigned level = 0;
  const auto steps = path.steps();
  for (const WalkStep& step : steps) {
    const TableNode* const node = node_at(step.address);
    if (found.entry != kNone && holds(machine, step, found.entry))
      expect(
          found.shared || (node != nullptr && range_of(*node).contains(va)), promise::kVisit,
          [&] {
            return fmt::format("a table that serves {:#x} at {}", va.value(), step_text(step));
          },
          [&] { return node == nullptr ? std::string("none") : text_of(*node); });
    if (node == nullptr) continue;
    // Where tables have any width, two of them may lie within what is one level of others. Of a
    // leaf that several slots hold all of them say what it covers, of an empty one too; and what
    // leads on from a slot for a page, to a page that is shared, is more than a page's entry.
    const unsigned covers =
        found.entry == kNone ? log2_floor(found.empty.bytes()) : found.size.log2();
    const unsigned least = &step == &steps.back() ? covers : machine.page.log2() + 1;
    const unsigned below = std::max(slot_log2(*node), least);
    const bool within_one = before != nullptr && slot_log2(*before, *node) < below + kLevelBits;
    const bool told_apart = before == nullptr || before->level == node->level ||
                            (within_one && level != 0) || level != step.level ||
                            level == mem::kMaxLevels - 1;
    expect(
        told_apart, promise::kLevels,
        [&] {
          return fmt::format("different levels for words of tables of level {} and {}",
                             before->level, node->level);
        },
        [&] { return fmt::format("level {} for both", level); });
    before = node;
    level = step.level;
  }
}

void check_beginnings(const PageTable& table, VirtAddr va, const WalkPath& path) {
  const auto steps = path.steps();
  constexpr unsigned kAddressBits = 64;
  TableMap tables;
  for (size_t i = 0; i < steps.size(); ++i) {
    const unsigned serves = steps[i].serves;
    if (serves == 0) continue;
    const auto text = [&] {
      return fmt::format("{}, in a table at {:#x} for 2^{} bytes", step_text(steps[i]),
                         steps[i].table.value(), serves);
    };
    expect(
        serves <= kAddressBits, promise::kBegins, [&] { return of_walk("a block", va); }, text);
    if (tables.empty()) tables = tables_of(table);
    const auto node = tables.find(steps[i].table.value());
    expect(
        node != tables.end() && steps[i].address - steps[i].table < node->second.bytes,
        promise::kBegins, [&] { return of_walk("the table a word is in", va); }, text);
    const uint64_t inside = ~uint64_t{0} >> (kAddressBits - serves);
    for (const uint64_t other :
         {va.value() & ~inside, va.value() | inside, va.value() ^ (inside - inside / 2)}) {
      WalkPath another;
      static_cast<void>(table.walk(VirtAddr(other), another));
      const auto there = another.steps();
      if (there.empty()) continue;  // no address of the table's
      bool same = there.size() > i && there[i].table == steps[i].table && there[i].serves == serves;
      for (size_t before = 0; same && before < i; ++before)
        same = there[before].address == steps[before].address;
      expect(
          same, promise::kBegins,
          [&] {
            return fmt::format("walk({:#x}) to come to that table as walk({:#x})", other,
                               va.value());
          },
          text);
    }
  }
}

void check_words_read(const Machine& machine, const PageTable& table, VirtAddr va,
                      const Lookup& found, const WalkPath& path) {
  if (!machine.arena || !MemoryWatch::works()) return;
  const auto steps = path.steps();
  if (path.count() > steps.size()) return;
  WalkPath again;
  MemoryWatch watch(*machine.arena);
  const Lookup twice = table.walk(va, again);
  watch.end();
  expect_same(twice.entry, found.entry, promise::kWalk, "the entry found again");
  expect_same(again.count(), path.count(), promise::kWalk, "the number of steps, again");
  const auto host = [&](const WalkStep& step) { return host_word(machine, step.address); };
  for (const Access& access : watch.seen()) {
    const auto named = [&](const WalkStep& step) {
      return access.address >= host(step) && access.address < host(step) + step.bytes;
    };
    if (!access.write && std::any_of(steps.begin(), steps.end(), named)) continue;
    const auto where = simulated(machine, access.address);
    throw Broken{promise::kSteps,
                 access.write ? of_walk("no writes", va)
                              : of_walk("a step for each word read, among the steps", va),
                 fmt::format("none for physical {:#x}", where ? where->value() : 0)};
  }
  if (!watch.complete()) return;
  for (const WalkStep& step : steps) {
    const auto reads = [&](const Access& access) {
      return access.address > host(step) - kWidestRead && access.address < host(step) + step.bytes;
    };
    expect(
        std::any_of(watch.seen().begin(), watch.seen().end(), reads), promise::kSteps,
        [&] { return of_walk("only words that are read, as steps", va); },
        [&] { return step_text(step) + ", which is not"; });
  }
}

}  // namespace mmusim::pt::conformance
