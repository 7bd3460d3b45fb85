// What tells an ELF file from any other that stands at the same path at another time.
#ifndef MMUSIM_SYMBOLS_IDENTITY_H_
#define MMUSIM_SYMBOLS_IDENTITY_H_

#include <optional>
#include <string>

namespace mmusim::symbols {

// `build-id:` and the build id in hexadecimal digits, which a file has in common with its stripped
// self and its separate debug file. Where it has none, `code:` and the XXH3 hash (128 bits) of what
// a loader maps of it to be executed, with its place: which stripping leaves as well. Nothing: it
// cannot be read, or is no ELF file with code. Reads no more than that; a file that changes
// meanwhile does no harm.
std::optional<std::string> identity_of(const std::string& path);

}  // namespace mmusim::symbols

#endif  // MMUSIM_SYMBOLS_IDENTITY_H_
