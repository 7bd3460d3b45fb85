// Makes the memory of ring.h: a file without a name, which plug-ins open through /proc.
#ifndef MMUSIM_RECORD_SHARE_MEMORY_H_
#define MMUSIM_RECORD_SHARE_MEMORY_H_

#include <string>
#include <vector>

#include "record/ring.h"

namespace mmusim::record {

class ShareMemory {
 public:
  // Errors: Error if the system refuses.
  explicit ShareMemory(uint32_t rings);
  ~ShareMemory();
  ShareMemory(const ShareMemory&) = delete;
  ShareMemory& operator=(const ShareMemory&) = delete;

  [[nodiscard]] Share& share() { return *share_; }
  [[nodiscard]] int file() const { return file_; }
  // Errors: Error if one is too long.
  void set_texts(const std::string& plugin, const std::string& qemu_folder,
                 const std::vector<std::string>& qemu_arguments);
  // Nothing is recorded from now on, and nobody waits. `programs`: those that would, end.
  void stop(bool programs = false);
  // Whether all rings are taken.
  [[nodiscard]] bool full() const;

 private:
  int file_ = -1;
  Share* share_ = nullptr;
  bool held_ = false;
};

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_SHARE_MEMORY_H_
