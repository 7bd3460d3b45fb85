// The file of the program that runs: what is installed beside it is found from there.
#ifndef MMUSIM_BASE_PROGRAM_FILE_H_
#define MMUSIM_BASE_PROGRAM_FILE_H_

#include <filesystem>

namespace mmusim {

// Absolute, with no symbolic link in it; empty: not known. Where /proc is not mounted it is what
// the program was started by, which may be said from the folder it was started in: REQUIRES that
// this is still the current one when it is asked first. Thread-safe.
const std::filesystem::path& program_file();

}  // namespace mmusim

#endif  // MMUSIM_BASE_PROGRAM_FILE_H_
