#include "arch/sparc64/options.h"

#include <algorithm>
#include <fmt/format.h>
#include <span>
#include <string>
#include <vector>

#include "arch/sparc64/formats.h"
#include "base/error.h"
#include "base/units.h"

namespace mmusim::sparc64 {

namespace {

const std::vector<PageShift>& known_sizes() {
  static const std::vector<PageShift> kKnown(kSizes.begin(), kSizes.end());
  return kKnown;
}

// Two arrays programmed to one size are looked up together with one index: twice the ways.
void add_set_array(std::vector<tlb::Geometry>& arrays, const tlb::Geometry& array,
                   const std::string& prefix) {
  for (tlb::Geometry& other : arrays) {
    if (other.pages != array.pages) continue;
    if (other.sets() != array.sets() || other.replacement != array.replacement ||
        other.index != array.index)
      throw UsageError(prefix + ".pages",
                       "two arrays of one page size must be alike in sets, index and replacement, "
                       "since a page may be in either");
    other.entries += array.entries;
    other.ways += array.ways;
    return;
  }
  arrays.push_back(array);
}

std::vector<tlb::Geometry> read_side(const config::Config& config, const mmu::LevelDecl& side,
                                     unsigned locked) {
  std::vector<tlb::Geometry> arrays;
  const mmu::ArrayDecl& associative = side.arrays.front();
  for (const mmu::ArrayDecl& set : std::span(side.arrays).subspan(1)) {
    if (set.key == nullptr) continue;
    const tlb::Geometry array = tlb::read_geometry(config, set.key, known_sizes());
    if (!array.exists()) continue;
    if (array.pages.size() != 1)
      throw UsageError(fmt::format("{}.pages", set.key),
                       "a set-associative TLB is programmed to one page size, which its index "
                       "comes from",
                       "give it one of 8K, 64K, 512K and 4M");
    add_set_array(arrays, array, set.key);
  }
  const std::string prefix = associative.key;
  tlb::Geometry array = tlb::read_geometry(config, prefix, known_sizes());
  if (!array.exists())
    throw UsageError(
        prefix + ".entries",
        fmt::format("there must be the {}: it has the kernel's locked entries", associative.what));
  if (array.ways != array.entries)
    throw UsageError(prefix + ".ways",
                     "locked entries may stand anywhere only in a fully associative TLB",
                     fmt::format("make it {}", array.entries));
  if (!array.holds(kLargePage))
    throw UsageError(prefix + ".pages", "the kernel's locked entries are of 4M",
                     "let the fully associative TLB hold 4M");
  if (array.entries <= locked)
    throw UsageError(
        prefix + ".entries",
        fmt::format("the kernel's {} locked entries leave none for anything else", locked),
        "give it more entries, or the kernel fewer (sparc64.image_entries)");
  arrays.push_back(array);
  if (std::none_of(arrays.begin(), arrays.end(),
                   [](const tlb::Geometry& a) { return a.holds(kPage); }))
    throw UsageError(prefix + ".pages",
                     fmt::format("no {} holds base pages, which are 8K", side.shown));
  return arrays;
}

unsigned tsb_code(const config::Config& config, const char* key) {
  const uint64_t bytes = config.size(key);
  if (!is_power_of_two(bytes) || bytes < tsb::bytes_of(0) ||
      bytes > tsb::bytes_of(tsb::kSizeCodes - 1))
    throw UsageError(key,
                     fmt::format("{} is not a size a TSB can have: 512 entries of 16 bytes times a "
                                 "power of two up to 128, for the 3-bit size code of the TSB "
                                 "register",
                                 format_size(bytes)),
                     "take 8K, 16K and so on up to 1M");
  return log2_floor(bytes / tsb::bytes_of(0));
}

}  // namespace

void declare(config::Schema& schema) {
  mmu::declare_levels(schema, kTlbs);
  schema.number("sparc64.image_entries", 2,
                "Locked 4M entries that map the kernel's image, on each side.", 1, 16);
  schema.choice("sparc64.tsb", "two", {"none", "one", "two"},
                "Translation storage buffers of an address space: none, handlers walk the page "
                "table; one, of all page sizes; two, as Linux: another one for huge pages, once "
                "there are any.");
  schema.flag("sparc64.tsb.physical", false,
              "Whether handlers read TSBs by physical addresses (Linux does from UltraSPARC III Cu "
              "on); else each takes a locked entry of the data TLB, once there is one.");
  schema.size("sparc64.tsb.least", tsb::bytes_of(0), "Size of the smallest TSB: 8K to 1M.", 0,
              uint64_t{1} << 46);
  schema.size("sparc64.tsb.most", tsb::bytes_of(tsb::kSizeCodes - 1),
              "Size up to which TSBs grow with resident memory: 8K to 1M.", 0, uint64_t{1} << 46);
  schema.flag(
      "sparc64.linear_map", true,
      "Whether the kernel's own accesses while it fixes a fault, to the page and its entry, "
      "take data-TLB entries of its linear mapping, 4M each.");
  schema.number("sparc64.va_bits", 44,
                "Implemented bits of a virtual address; below 64 there is a hole in the middle.",
                44, 64);
  schema.number("sparc64.physical_bits", 41,
                "Implemented bits of a physical address; memory must not be larger.", 32, 43);
}

Options read_options(const config::Config& config) {
  Options options;
  options.image_entries = static_cast<unsigned>(config.number("sparc64.image_entries"));
  const std::string& mode = config.choice("sparc64.tsb");
  options.tsb = mode == "none" ? TsbMode::None : mode == "one" ? TsbMode::One : TsbMode::Two;
  options.tsb_physical = config.flag("sparc64.tsb.physical");
  options.tsb_first = tsb_code(config, "sparc64.tsb.least");
  options.tsb_most = tsb_code(config, "sparc64.tsb.most");
  if (options.tsb_most < options.tsb_first)
    throw UsageError("sparc64.tsb.most", "it is below sparc64.tsb.least");
  options.linear_map = config.flag("sparc64.linear_map");
  options.va_bits = static_cast<unsigned>(config.number("sparc64.va_bits"));
  options.physical_bits = static_cast<unsigned>(config.number("sparc64.physical_bits"));
  options.tlb[kItlb] = read_side(config, kTlbs[kItlb], options.locked_fetch());
  options.tlb[kDtlb] = read_side(config, kTlbs[kDtlb], options.locked_data());
  return options;
}

}  // namespace mmusim::sparc64
