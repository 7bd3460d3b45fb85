// A page table as a picture, for Graphviz: each table a box, each entry that leads to another an
// edge with its slot and what it says (a guard, rights).
#ifndef MMUSIM_PT_DRAWING_H_
#define MMUSIM_PT_DRAWING_H_

#include <cstddef>
#include <string>

#include "pt/page_table.h"

namespace mmusim::pt {

// The `dot` source. Tables beyond `most_tables` are left out and counted in a box of their own
// below the table they hang in.
std::string draw(const PageTable& table, const std::string& title, size_t most_tables = 120);

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_DRAWING_H_
