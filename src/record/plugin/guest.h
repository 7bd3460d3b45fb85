// The recorded program as QEMU holds it: its memory, and what QEMU shows besides its plug-in
// interface (exported symbols of version 7.2, each used only if it is there).
#ifndef MMUSIM_RECORD_PLUGIN_GUEST_H_
#define MMUSIM_RECORD_PLUGIN_GUEST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "record/isa.h"

namespace mmusim::record::plugin {

inline constexpr uint64_t kPage = 4096;  // the least there is; where reading may fail

struct Region {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint32_t prot = 0;  // PROT_*
};

class Guest {
 public:
  // Looks QEMU's symbols up.
  void open(const Isa& isa, std::string executable);
  [[nodiscard]] const Isa& isa() const { return *isa_; }

  // Where QEMU does not say it: a guest address and the host's address of it.
  void learn_base(uint64_t guest_address, const void* host_address);

  // Arguments of 32-bit programs have nothing above their 32 bits.
  [[nodiscard]] uint64_t value(uint64_t argument) const {
    return isa_->wide ? argument : static_cast<uint32_t>(argument);
  }

  // Reads the program's memory; false where it is not mapped.
  bool read(uint64_t address, void* into, size_t bytes) const;
  // A number in the program's byte order.
  bool read_number(uint64_t address, size_t bytes, uint64_t& number) const;
  bool read_text(uint64_t address, size_t limit, std::string& text) const;
  // A list of texts behind an argv-like pointer.
  bool read_texts(uint64_t address, size_t limit, std::vector<std::string>& texts) const;

  // All that is mapped, in order; empty where QEMU does not say it.
  [[nodiscard]] std::vector<Region> regions() const;
  [[nodiscard]] uint64_t base() const { return base_; }

  // QEMU begins to look here for a place when the program does not ask for one. False: it cannot be
  // told.
  bool place_next_at(uint64_t address);
  // Nothing is mapped there, of a 32-bit program; false where QEMU does not say it.
  [[nodiscard]] bool is_free(uint64_t begin, uint64_t end) const;
  [[nodiscard]] bool can_place() const { return next_start_ != nullptr; }
  // Addresses are the host's own, and a place that is taken makes the host's kernel choose.
  [[nodiscard]] bool shares_host_addresses() const;
  // The file it was started from.
  [[nodiscard]] const std::string& executable() const { return executable_; }

 private:
  const Isa* isa_ = nullptr;
  uint64_t base_ = 0;
  void* next_start_ = nullptr;
  const unsigned long* reserved_ = nullptr;
  void* walk_ = nullptr;
  void* page_flags_ = nullptr;
  std::string executable_;
};

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_GUEST_H_
