// A page table as a picture, for Graphviz: each table a box, each entry that leads to another an
// edge with its slot and what it says (addresses, rights).
#ifndef MMUSIM_PT_DRAWING_H_
#define MMUSIM_PT_DRAWING_H_

#include <cstddef>
#include <string>

#include "pt/page_table.h"

namespace mmusim::pt {

// The `dot` source. Of a page table of more than `most_tables` tables, only samples are drawn: of
// each table's children the first and the last few, as many as leaves room for all levels; the
// others are counted, with what hangs in them, in a box of their own.
std::string draw(const PageTable& table, const std::string& title, size_t most_tables = 120);

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_DRAWING_H_
