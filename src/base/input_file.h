// A whole file as it is.
#ifndef MMUSIM_BASE_INPUT_FILE_H_
#define MMUSIM_BASE_INPUT_FILE_H_

#include <cstdint>
#include <string>

namespace mmusim {

// Errors: Error naming `path` when it cannot be read, or is longer than `most` bytes (/dev/zero has
// no end).
std::string read_file(const std::string& path, uint64_t most = uint64_t{1} << 30);

}  // namespace mmusim

#endif  // MMUSIM_BASE_INPUT_FILE_H_
