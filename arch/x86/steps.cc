#include "arch/x86/steps.h"

#include <fmt/format.h>

#include "arch/x86/entry_bits.h"

namespace mmusim::x86 {
namespace {

constexpr mmu::Step kSteps[] = {
    {"walk", "The hardware walks the page table", 0},
    {"dirty_assist", "A store found D = 0: the hardware walks again to set it", 0},
    {"shadow.fault", "Page fault because the copy the hardware walks lacks the page", 60, true},
    {"shadow.lookup", "The handler looks the page up in the kernel's page table", 10},
    {"shadow.fill", "The handler puts the page into the copy", 30},
};
constexpr const char* kEntryNames[kMostLevels] = {"PTE", "PDE", "PDPTE", "PML4E", "PML5E"};

}  // namespace

std::span<const mmu::Step> steps() {
  return kSteps;
}

const char* entry_name(unsigned level) {
  return kEntryNames[level];
}

std::string decode_entry(const char* what, uint64_t entry) {
  const std::string_view name = what;
  if (!name.starts_with('P') || entry == 0) return entry == 0 ? "empty" : "";
  if (PresentBit::get(entry) == 0) return "not present";
  const bool lowest = name == "PTE";
  const bool leaf = lowest || PageSizeBit::get(entry) != 0;
  std::string text = "P";
  const auto flag = [&](uint64_t set, const char* letter) {
    if (set != 0) text += fmt::format(" {}", letter);
  };
  flag(WriteBit::get(entry), "W");
  flag(UserBit::get(entry), "U");
  flag(AccessedBit::get(entry), "A");
  if (leaf) flag(DirtyBit::get(entry), "D");
  if (!lowest) flag(PageSizeBit::get(entry), "PS");
  if (leaf) flag(GlobalBit::get(entry), "G");
  flag(NoExecuteBit::get(entry), "XD");
  return text +
         fmt::format(" -> {} {:#x}", leaf ? "frame" : "table in frame", AddressBits::get(entry));
}

}  // namespace mmusim::x86
