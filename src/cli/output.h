// Standard output, watched: what cannot be written is an error, except that a reader who has gone
// (mmusim ... | head) ends the program quietly.
#ifndef MMUSIM_CLI_OUTPUT_H_
#define MMUSIM_CLI_OUTPUT_H_

#include <string>
#include <string_view>

namespace mmusim::cli {

// Thrown when the reader of standard output has gone away. Not an Error: nothing is wrong.
struct ClosedOutput {};

// Makes a write to a pipe without reader, or beyond the limit of file sizes, fail instead of
// killing the program, and makes sure that descriptors 0 to 2 are open, so that no file opened
// later becomes standard output. Call first.
void prepare_streams();

// Control characters but newlines and tabs, which only a stranger's text can have, are escaped
// (base/printable.h). Errors (both): Error when standard output cannot be written; ClosedOutput.
void print(std::string_view text);
void flush_output();

// While one lives, what is printed is added to a text in place of going to standard output.
// REQUIRES: one at a time.
class CapturedOutput {
 public:
  explicit CapturedOutput(std::string& text);
  ~CapturedOutput();
  CapturedOutput(const CapturedOutput&) = delete;
  CapturedOutput& operator=(const CapturedOutput&) = delete;
};

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_OUTPUT_H_
