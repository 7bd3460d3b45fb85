// Where Valgrind has put a program and its loader, which it maps itself and does not print.
//
// On amd64 it maps a position-independent program at 0x108000, any other where it asks to be, and
// the loader at 0x4000000, the first address it gives away (as Valgrind 3.19 was seen to do; of its
// source coregrind/m_ume/elf.c and m_aspacemgr). What is assumed here is held against the one thing
// the log tells: a process's first instruction is where the loader begins, or a program without
// one.
#ifndef MMUSIM_TRACE_IMPORT_LACKEY_PLACEMENT_H_
#define MMUSIM_TRACE_IMPORT_LACKEY_PLACEMENT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "symbols/image.h"
#include "trace/record.h"

namespace mmusim::trace::lackey {

// The mappings of the program at a path, and of its loader, whose first instruction was at `first`.
// Empty: their files are not known, or begin elsewhere.
std::vector<MmapEvent> place(
    const std::string& program, uint64_t first,
    const std::function<std::optional<symbols::Image>(const std::string&)>& image_of);

}  // namespace mmusim::trace::lackey

#endif  // MMUSIM_TRACE_IMPORT_LACKEY_PLACEMENT_H_
