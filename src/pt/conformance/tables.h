// The tables of a page table as visit_tables() shows them, and what is asked of them.
#ifndef MMUSIM_PT_CONFORMANCE_TABLES_H_
#define MMUSIM_PT_CONFORMANCE_TABLES_H_

#include <cstdint>
#include <map>
#include <string>

#include "pt/conformance/machine.h"
#include "pt/conformance/oracle.h"
#include "pt/page_table.h"

namespace mmusim::pt::conformance {

using TableMap = std::map<uint64_t, TableNode>;  // by address

// The addresses a table serves, its end cut off where there is none.
VirtRange range_of(const TableNode& node);
std::string text_of(const TableNode& node);

// Errors: Broken where two tables overlap, or a child comes before its parent.
TableMap tables_of(const PageTable& table);

// visit_tables() against the allocator, stats() and the leaves there should be. `shared`: it has
// shared sub-trees, whose records of who does are no tables. REQUIRES: it is the machine's only
// table.
void check_tables(const Machine& machine, const PageTable& table, const Oracle& oracle,
                  bool shared = false);

// What a trim() did, from the tables before and after it.
struct Trimmed {
  TableMap before;
  uint64_t restructures = 0;  // before
  VirtRange range;
  VirtAddr floor;
  VirtAddr ceiling;  // 0: none
};
void check_trimmed(const Trimmed& trimmed, const PageTable& table, const Gather& gather,
                   const Oracle& oracle);

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_TABLES_H_
