// mremap as Linux has it: what shrinks, or grows where there is room, stays where it is. QEMU 7.2
// moves whatever may be moved. So the host's mremap that QEMU calls is ours: the entry of QEMU's
// table of functions is changed. What the host's kernel then says of the place is taken.
#ifndef MMUSIM_RECORD_PLUGIN_REMAP_H_
#define MMUSIM_RECORD_PLUGIN_REMAP_H_

namespace mmusim::record::plugin {

// Changes QEMU's table. False: it has no such entry, and everything is as it was.
bool take_mremap();

// The next mremap of this thread that names a new place tries the old one first.
void stay_if_possible(bool stay);

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_REMAP_H_
