// The layouts of address spaces a page table is checked on: those of all architectures there are,
// with their regions, holes and sign extension, and two of no architecture.
//
// An explicit list, since the kit lies below the architectures; layouts_test holds it to them. The
// entries are those of test_format.h on all of them.
#ifndef MMUSIM_PT_CONFORMANCE_LAYOUT_H_
#define MMUSIM_PT_CONFORMANCE_LAYOUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/types.h"
#include "pt/page_table.h"

namespace mmusim::pt::conformance {

struct Layout {
  const char* name;
  PageShift page;
  RadixGeometry geometry;
  unsigned entry_bytes = sizeof(Entry);

  // The ranges of addresses there are, ascending. Where a 64-bit space ends cannot be written: its
  // last page is left out.
  [[nodiscard]] std::vector<VirtRange> spaces() const;
  // log2 of the bytes a leaf table of the geometry serves.
  [[nodiscard]] unsigned table_span() const { return geometry[0].shift + geometry[0].index_bits; }
};

const std::vector<Layout>& layouts();

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_LAYOUT_H_
