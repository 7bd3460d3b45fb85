// A whole file as it is.
#ifndef MMUSIM_BASE_INPUT_FILE_H_
#define MMUSIM_BASE_INPUT_FILE_H_

#include <string>

namespace mmusim {

// Errors: Error naming `path` when it cannot be read.
std::string read_file(const std::string& path);

}  // namespace mmusim

#endif  // MMUSIM_BASE_INPUT_FILE_H_
