// A second reader of the container, written from the prose of src/trace/README.md, sharing no code
// with the first but the types of record.h and the hash and compression libraries: slow, plain, and
// strict only where it must be. It shows that the prose is right and complete.
#ifndef MMUSIM_TESTS_TRACE_SECOND_READER_H_
#define MMUSIM_TESTS_TRACE_SECOND_READER_H_

#include <string>

#include "history.h"

namespace mmusim::trace::testing {

struct SecondReading {
  Header header;
  History history;
  Totals totals;
  size_t page_streams = 0;  // chunks that have some, which were read as well
};

// Throws std::runtime_error on anything unexpected.
SecondReading read_by_the_book(const std::string& content);

}  // namespace mmusim::trace::testing

#endif  // MMUSIM_TESTS_TRACE_SECOND_READER_H_
