#include "pt/conformance/inspection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mem/cache.h"
#include "pt/conformance/verdict.h"

namespace mmusim::pt::conformance {
namespace {

constexpr uint64_t kWord = 8;
constexpr uint64_t kLine = 64;
constexpr uint64_t kUnit = 16;  // the most one reference may write

}  // namespace

Inspection::Inspection(Machine& machine, const PageTable& table)
    : machine_(machine), table_(table) {
  if (!machine_.arena) return;
  before_ = tables_of(table);
  const std::byte* const begin = machine_.arena->begin();
  snapshot_.assign(begin, begin + machine_.arena->used());
  // Lines of no table: afterwards the cache holds nothing else. Told as the program's own.
  const uint64_t end = machine_.memory.total_frames() << machine_.page.log2();
  for (uint64_t line = 0; line < Machine::kCacheLines; ++line)
    machine_.sink.reference(PhysAddr(end + line * kLine), 8, false, {mem::Origin::User, 0, false});
  references_.emplace(machine_);
}

void Inspection::keep(const MemoryWatch& watch) {
  for (const Access& access : watch.seen())
    if (!access.write) read_.push_back(access.address);
}

bool Inspection::told(PhysAddr address) {
  return !lines_known_ || machine_.sink.reference(address, 1, false,
                                                  {mem::Origin::User, 0, false}) == mem::Place::L1;
}

void Inspection::judge(const char* name) {
  if (!machine_.arena) return;
  const References now(machine_);
  // Asking brings lines in as well, so only a few are asked for.
  lines_known_ = now.total() - references_->total() <= Machine::kCacheLines / 2;
  const TableMap after = tables_of(table_);
  uint64_t units = 0;
  for (const auto& [address, node] : before_) {
    const auto same = after.find(address);
    if (same == after.end() || same->second.bytes != node.bytes || same->second.base != node.base ||
        same->second.covers != node.covers)
      continue;
    judge_changes(name, node, units);
  }
  const uint64_t writes = now.writes() - references_->writes();
  expect(
      writes >= units, promise::kReported,
      [&] { return fmt::format("a report of each write: {} at least by {}", units, name); },
      [&] { return fmt::format("{}", writes); });
}

void Inspection::judge_changes(const char* name, const TableNode& node, uint64_t& units) {
  constexpr unsigned kMostAsked = Machine::kCacheLines / 4;
  unsigned asked = 0;
  const auto ask = [&](PhysAddr at, const char* what) {
    if (++asked > kMostAsked) return;
    expect(
        told(at), promise::kReported,
        [&] { return fmt::format("a report of each word {} {}", name, what); },
        [&] { return fmt::format("none of physical {:#x}, in {}", at.value(), text_of(node)); });
  };
  uint64_t line = ~uint64_t{0};  // asked for
  uint64_t unit = ~uint64_t{0};  // counted
  for (uint64_t at = 0; at < node.bytes; at += kWord) {
    const PhysAddr address = node.address + at;
    const std::byte* const host = host_word(machine_, address);
    if (host == nullptr || !machine_.arena->holds(host)) return;
    const auto offset = static_cast<size_t>(host - machine_.arena->begin());
    if (offset + kWord > snapshot_.size() ||
        std::memcmp(host, snapshot_.data() + offset, kWord) == 0)
      continue;
    units += address.value() / kUnit != std::exchange(unit, address.value() / kUnit) ? 1 : 0;
    if (address.value() / kLine != std::exchange(line, address.value() / kLine))
      ask(address, "writes");
  }
  for (const std::byte* const host : read_) {
    const std::byte* const begin = host_word(machine_, node.address);
    // Blocks of frames lie together on the host, as do pieces of a frame.
    if (host >= begin && host < begin + node.bytes)
      ask(node.address + static_cast<uint64_t>(host - begin), "reads");
  }
}

}  // namespace mmusim::pt::conformance
