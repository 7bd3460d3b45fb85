// What a program finds in its memory when it starts, as the words of EventKind::Image:
//
//   text: the program's file; arguments: how many, then a text each; areas: how many, then each
//   begin, end, rights (PROT_*), flags (MAP_*, asm-generic), file offset, text: name
#ifndef MMUSIM_RECORD_PLUGIN_IMAGE_H_
#define MMUSIM_RECORD_PLUGIN_IMAGE_H_

#include "record/plugin/guest.h"
#include "record/plugin/producer.h"

namespace mmusim::record::plugin {

// `arguments_at`: which of QEMU's own arguments is the program's argv[0]; its file follows.
EventWords image_words(const Guest& guest, const std::vector<Region>& regions, size_t arguments_at);

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_IMAGE_H_
