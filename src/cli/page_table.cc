// page-table: the commands about page tables alone.
#include "cli/command.h"

namespace mmusim::cli {
namespace {

constexpr Command kPageTableCommands[] = {
    {"check", "Check a page table against every promise of the interface", page_table_check},
    {"footprint", "What page tables weigh: bytes, words per look-up, a picture",
     page_table_footprint},
    {"grade", "Points for a page table that is an assignment", page_table_grade},
};

}  // namespace

std::span<const Command> page_table_commands() {
  return kPageTableCommands;
}

}  // namespace mmusim::cli
