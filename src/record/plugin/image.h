// What a program finds in its memory when it starts, as the words of EventKind::Image:
//
//   text: the program's file; arguments: how many, then a text each; areas: how many, then each
//   begin, end, rights (PROT_*), flags (MAP_*, asm-generic), file offset, text: name
#ifndef MMUSIM_RECORD_PLUGIN_IMAGE_H_
#define MMUSIM_RECORD_PLUGIN_IMAGE_H_

#include <string>
#include <vector>

#include "record/plugin/guest.h"
#include "record/plugin/producer.h"

namespace mmusim::record::plugin {

// What QEMU was started for. `arguments_at`: which of its own arguments is the program's argv[0];
// the program's file follows.
struct CommandLine {
  std::string program;                 // the file
  std::vector<std::string> arguments;  // its argv
};
CommandLine command_line(size_t arguments_at);

EventWords image_words(const Guest& guest, const std::vector<Region>& regions, size_t arguments_at);

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_IMAGE_H_
