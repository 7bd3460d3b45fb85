// A page table as a picture, for Graphviz: each table a box, each entry that leads to another an
// edge with its slot and what it says (addresses, rights).
#ifndef MMUSIM_PT_DRAWING_H_
#define MMUSIM_PT_DRAWING_H_

#include <cstddef>
#include <span>
#include <string>

#include "pt/page_table.h"

namespace mmusim::pt {

// One page table of a picture, the `number`th. Of a page table of more than `most_tables` tables,
// only samples are drawn: of each table's children the first and the last few, as many as leaves
// room for all levels; the others are counted, with what hangs in them, in a box of their own, and
// all of them by level in another.
std::string draw_part(const PageTable& table, const std::string& title, size_t number = 0,
                      size_t most_tables = 24);

// The `dot` source of these parts, side by side.
std::string picture_of(std::span<const std::string> parts);

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_DRAWING_H_
