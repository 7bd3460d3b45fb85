// Which page streams (README.md, "Page streams") a chunk is given beside its columns.
#ifndef MMUSIM_TRACE_PAGE_CHOICE_H_
#define MMUSIM_TRACE_PAGE_CHOICE_H_

#include <cstdint>
#include <string_view>

namespace mmusim::trace {

enum class PageChoice : uint8_t {
  None,
  Sets,  // what first levels need whose sets are told apart by kPageSets
  Any,   // and what a first level of any form needs besides: larger, and dearer to make
};

// What is worth making while a trace of programs for `isa` is written: the least that serves a
// machine that replays them at their own addresses; moved ones need Any.
// x86-64 has machines with such sets; those of the other instruction sets that have machines need
// the rest too.
PageChoice page_choice_of(std::string_view isa);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_PAGE_CHOICE_H_
