// Functions of the C library that QEMU calls, and this plug-in wants to do itself: QEMU's own calls
// of one, by the table its loader has filled.
#ifndef MMUSIM_RECORD_PLUGIN_IMPORTS_H_
#define MMUSIM_RECORD_PLUGIN_IMPORTS_H_

namespace mmusim::record::plugin {

// From here on QEMU calls `with` where it called `name`. False: it does not call it by such a
// table.
bool replace_import(const char* name, void* with);

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_IMPORTS_H_
