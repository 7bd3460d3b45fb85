// The layouts of address spaces a page table is checked on: those of all architectures there are,
// with their regions, holes and sign extension, and two of no architecture.
//
// An explicit list, since the kit lies below the architectures; layouts_test holds it to them. The
// entries are those of test_format.h on all of them.
#ifndef MMUSIM_PT_CONFORMANCE_LAYOUT_H_
#define MMUSIM_PT_CONFORMANCE_LAYOUT_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "pt/page_table.h"

namespace mmusim::pt::conformance {

struct Layout {
  Layout(const char* layout_name, unsigned page_log2, RadixGeometry levels,
         unsigned bytes = sizeof(Entry));
  // `levels` as pt.mlpt.levels says them.
  Layout(const char* layout_name, unsigned page_log2, std::string_view levels,
         unsigned bytes = sizeof(Entry));

  const char* name;
  PageShift page;
  RadixGeometry geometry;
  unsigned entry_bytes;
  // Sizes of leaves that tables are asked for besides those of the geometry's levels.
  std::vector<PageShift> superpages = {};

  // All of them, ascending.
  [[nodiscard]] std::vector<PageShift> leaf_sizes() const;

  // The ranges of addresses there are, ascending. Where a 64-bit space ends cannot be written: its
  // last page is left out.
  [[nodiscard]] std::vector<VirtRange> spaces() const;
  // log2 of the bytes a leaf table of the geometry serves.
  [[nodiscard]] unsigned table_span() const { return geometry[0].shift + geometry[0].index_bits; }
};

const std::vector<Layout>& layouts();
// REQUIRES: there is one.
const Layout& layout_named(std::string_view name);

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_LAYOUT_H_
