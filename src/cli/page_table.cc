// page-table: the commands about page tables alone.
#include "cli/command.h"
#include "cli/output.h"

namespace mmusim::cli {
namespace {

constexpr Command kPageTableCommands[] = {
    {"check", "Check a page table against every promise of the interface", page_table_check},
    {"footprint", "What page tables weigh: bytes, words per look-up, a picture",
     page_table_footprint},
};

}  // namespace

void page_table(const Words& words) {
  if (!words.empty() && (words.front() == "--help" || words.front() == "-h")) {
    print("usage: mmusim page-table COMMAND [ARGUMENTS]\n\n" + list_of(kPageTableCommands));
    return;
  }
  dispatch(kPageTableCommands, words, "page-table command",
           "'mmusim page-table --help' lists them");
}

}  // namespace mmusim::cli
