// Events as Python dictionaries: their fields by name, as `trace dump --json` has them, but
// addresses are numbers. One list of fields (trace/event_fields.h) writes and reads them.
#ifndef MMUSIM_PYTHON_EVENT_DICT_H_
#define MMUSIM_PYTHON_EVENT_DICT_H_

#include <pybind11/pybind11.h>
#include <string>

#include "trace/record.h"

namespace mmusim::python {

pybind11::dict dict_of(const trace::Event& event);

// Of what `fields` leaves out, the event has the defaults. Errors: UsageError for a kind, or a
// field, that there is not, for one that is missing, or whose value is not of its type.
trace::Event event_of(const std::string& kind, const pybind11::dict& fields);

}  // namespace mmusim::python

#endif  // MMUSIM_PYTHON_EVENT_DICT_H_
