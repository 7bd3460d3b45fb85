#include "pt/conformance/layout.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "pt/mlpt/shape.h"

namespace mmusim::pt::conformance {
namespace {

// Linux with 64 KiB pages on PowerPC: tables smaller than a page, and leaves of 16M.
RadixGeometry power_64k() {
  RadixGeometry geometry = mlpt::parse_levels("16:8:leaf,24:10:leaf,34:12");
  geometry[0].table_log2 = 12;
  geometry[1].table_log2 = 13;
  geometry[2].table_log2 = 15;
  return geometry;
}

// Of one architecture, with leaves of neighbouring sizes and of sizes far apart.
Layout with_superpages() {
  Layout layout("superpages", 14, "14:11:leaf,25:11,36:11:region3");
  for (const unsigned log2 : {15U, 16U, 18U, 20U, 24U})
    layout.superpages.emplace_back(log2);
  return layout;
}

}  // namespace

Layout::Layout(const char* layout_name, unsigned page_log2, RadixGeometry levels, unsigned bytes)
    : name(layout_name), page(page_log2), geometry(std::move(levels)), entry_bytes(bytes) {}

Layout::Layout(const char* layout_name, unsigned page_log2, std::string_view levels, unsigned bytes)
    : Layout(layout_name, page_log2, mlpt::parse_levels(levels), bytes) {}

std::vector<PageShift> Layout::leaf_sizes() const {
  std::vector<PageShift> sizes = leaf_sizes_of(geometry, page);
  sizes.insert(sizes.end(), superpages.begin(), superpages.end());
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

std::vector<VirtRange> Layout::spaces() const {
  const RadixLevel& top = geometry.back();
  const unsigned bits = top.shift + top.index_bits;
  const uint64_t last_page = page.bytes();
  if (bits == 64) return {{VirtAddr(0), VirtAddr(uint64_t{0} - last_page)}};
  if (top.region_bits == 0) return {{VirtAddr(0), VirtAddr(uint64_t{1} << bits)}};
  const unsigned region_shift = 64 - top.region_bits;
  const uint64_t bytes = uint64_t{1} << (bits - top.region_bits);
  std::vector<VirtRange> spaces;
  for (uint64_t region = 0; region < uint64_t{1} << top.region_bits; ++region) {
    const uint64_t begin = region << region_shift;
    spaces.push_back({VirtAddr(begin), VirtAddr(begin + bytes)});
  }
  if (top.sign_extended)
    spaces.back() = {VirtAddr(uint64_t{0} - bytes), VirtAddr(uint64_t{0} - last_page)};
  return spaces;
}

const std::vector<Layout>& layouts() {
  static const std::vector<Layout> kLayouts = {
      {"i386", 12, "12:10:leaf,22:10:leaf", 4},
      {"pae", 12, "12:9:leaf,21:9:leaf,30:2"},
      {"x86_64", 12, "12:9:leaf,21:9:leaf,30:9:leaf,39:9"},
      {"x86_64_2m", 12, "12:9:leaf,21:9:leaf,30:9,39:9"},
      {"la57", 12, "12:9:leaf,21:9:leaf,30:9:leaf,39:9,48:9"},
      {"ia64", 14, "14:11:leaf,25:11,36:11:region3"},
      {"ia64_4", 14, "14:11:leaf,25:11,36:11,47:11:region3"},
      {"ppc64", 12, "12:9:leaf,21:7,28:9,37:9"},
      {"ppc64_64k", 16, power_64k()},
      {"sparc64", 13, "13:10:leaf,23:10:leaf,33:10,43:10:signed"},
      {"alpha", 13, "13:10:leaf,23:10,33:10"},
      // Of no architecture: levels of all sizes; all 64 bits.
      {"odd", 12, "12:3:leaf,15:2:leaf,17:4,21:5:leaf,26:6"},
      {"full64", 16, "16:12:leaf,28:12:leaf,40:12,52:12"},
      with_superpages(),
  };
  return kLayouts;
}

const Layout& layout_named(std::string_view name) {
  const auto found = std::find_if(layouts().begin(), layouts().end(),
                                  [&](const Layout& layout) { return layout.name == name; });
  MMUSIM_ASSERT(found != layouts().end());
  return *found;
}

}  // namespace mmusim::pt::conformance
