// What a page table in a shared object of its own says of itself: for the author of a plug-in, one
// line at the end of a source file,
//
//   MMUSIM_PAGE_TABLE_PLUGIN(mine::backend)
//
// where `Backend mine::backend()` describes the page table as those of page_tables.cc do. The
// plug-in links nothing of mmusim: what it calls is in the program that loads it.
//
// The description begins the same in every version, so that a program and a plug-in of different
// versions can tell. It holds no code of the plug-in's but one function that returns it.
#ifndef MMUSIM_PT_PLUGIN_ENTRY_H_
#define MMUSIM_PT_PLUGIN_ENTRY_H_

#include <cstdint>

#include "config/schema.h"
#include "pt/page_table.h"

namespace mmusim::pt {

// Goes up whenever a plug-in must be built anew: a change of page_table.h, or of anything it
// includes, that a compiler would lay out or name differently.
inline constexpr uint32_t kPluginVersion = 12;
inline constexpr uint64_t kPluginMagic = 0x5450'4d49'5355'4d4d;  // "MMUSIMPT" in memory

// What both sides must have compiled alike, as far as a compiler can be asked: the C++ library and
// its options that change its types, and the layout of the interface's own.
#if defined(_LIBCPP_VERSION)
#define MMUSIM_PLUGIN_LIBRARY "libc++"
#elif defined(_GLIBCXX_DEBUG)
#define MMUSIM_PLUGIN_LIBRARY "libstdc++ in debug mode"
#elif defined(_GLIBCXX_USE_CXX11_ABI) && _GLIBCXX_USE_CXX11_ABI == 0
#define MMUSIM_PLUGIN_LIBRARY "libstdc++ with its old strings"
#else
#define MMUSIM_PLUGIN_LIBRARY "libstdc++"
#endif

// FNV-1a over sizes, in a fixed order.
consteval uint64_t plugin_layout() {
  uint64_t hash = 0xcbf2'9ce4'8422'2325;
  for (const uint64_t size : {sizeof(void*),
                              sizeof(std::string),
                              sizeof(std::function<void()>),
                              sizeof(Lookup),
                              sizeof(WordText),
                              sizeof(WalkPath),
                              sizeof(Slot),
                              sizeof(Run),
                              sizeof(Cursor),
                              sizeof(Stats),
                              sizeof(TableNode),
                              sizeof(Capabilities),
                              sizeof(RadixLevel),
                              sizeof(PageTable),
                              sizeof(Environment),
                              sizeof(Factory),
                              sizeof(Backend),
                              sizeof(EntryFormat),
                              sizeof(Gather),
                              sizeof(config::Schema),
                              sizeof(config::Config),
                              sizeof(mem::ReferenceSink)})
    hash = (hash ^ size) * 0x100'0000'01b3;
  return hash;
}

}  // namespace mmusim::pt

extern "C" {
struct mmusim_page_table_plugin {
  // The same in every version.
  uint64_t magic;
  uint32_t version;
  uint32_t bytes;  // of this struct
  // Since version 1.
  const char* library;
  uint64_t layout;
  const mmusim::pt::Backend* backend;
};
}

#define MMUSIM_PAGE_TABLE_PLUGIN(make_backend)                                      \
  extern "C" __attribute__((visibility("default"))) const mmusim_page_table_plugin* \
  mmusim_page_table_plugin_entry() {                                                \
    static const mmusim::pt::Backend kBackend = make_backend();                     \
    static const mmusim_page_table_plugin kPlugin = {                               \
        mmusim::pt::kPluginMagic, mmusim::pt::kPluginVersion,  sizeof(kPlugin),     \
        MMUSIM_PLUGIN_LIBRARY,    mmusim::pt::plugin_layout(), &kBackend};          \
    return &kPlugin;                                                                \
  }

#endif  // MMUSIM_PT_PLUGIN_ENTRY_H_
