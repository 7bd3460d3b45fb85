// What a QEMU can do for a recording, by the symbols its file shows to plug-ins.
#ifndef MMUSIM_RECORD_QEMU_FILE_H_
#define MMUSIM_RECORD_QEMU_FILE_H_

#include <string>

namespace mmusim::record {

struct QemuFile {
  bool is_elf = false;     // else nothing of what follows is known
  bool plugins = false;    // loads plug-ins at all: statically linked ones cannot
  bool memory = false;     // shows what the program has mapped
  bool placement = false;  // lets it be said where mappings go
  bool registers = false;
};

// A file that cannot be read, or is no ELF file of this computer, shows nothing.
QemuFile look_at_qemu(const std::string& path);

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_QEMU_FILE_H_
