// What of an ELF program or loader a kernel maps to run it, as its program headers say.
#ifndef MMUSIM_SYMBOLS_IMAGE_H_
#define MMUSIM_SYMBOLS_IMAGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mmusim::symbols {

struct ImageSegment {
  uint64_t address = 0;
  uint64_t bytes = 0;       // in memory
  uint64_t file_bytes = 0;  // of these, from the file; the rest is 0
  uint64_t offset = 0;      // in the file
  uint32_t prot = 0;        // PROT_*
};

struct Image {
  unsigned machine = 0;     // as ELF numbers them
  bool moves = false;       // position-independent: addresses are less where it is loaded
  uint64_t entry = 0;       // where it begins
  std::string interpreter;  // its loader; "": it needs none
  std::vector<ImageSegment> segments;
};

// Nothing: it cannot be read, or is no ELF program or library.
std::optional<Image> image_of(const std::string& path);

}  // namespace mmusim::symbols

#endif  // MMUSIM_SYMBOLS_IMAGE_H_
