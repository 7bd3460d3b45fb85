// Page tables built outside the tree, as shared objects: a name with a / in it is the path of one.
//
// A plug-in is opened once per path and stays open until the program ends, since tables, factories
// and messages of it may live that long. What can be found out before its code runs is: that the
// file is a shared object, has the entry point (plugin_entry.h), was built for this version of the
// interface and with the same C++ library and layout, and that this program has every symbol it
// needs. What it does then is its own affair: it is code in this process. Thread-safe.
#ifndef MMUSIM_PT_PLUGIN_H_
#define MMUSIM_PT_PLUGIN_H_

#include <string>
#include <string_view>

#include "pt/page_table.h"

namespace mmusim::pt {

// Whether a page table's name is the path of a plug-in.
constexpr bool is_plugin_path(std::string_view name) {
  return name.find('/') != std::string_view::npos;
}

// Errors: UsageError naming the path, and what to do about it.
const Backend& load_plugin(const std::string& path);

// XXH3-128 of the file as it was when it was loaded, 32 hex digits: results name it. Loads it if
// need be. Errors: as load_plugin.
const std::string& plugin_hash(const std::string& path);

// The backend of that name, or the plug-in of that path. Errors: UsageError, with the nearest known
// name.
const Backend& find_backend(const std::string& name_or_path);

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_PLUGIN_H_
