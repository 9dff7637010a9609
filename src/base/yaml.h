/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML 1.1 to and from JSON trees, as sigs.k8s.io/yaml (YAMLToJSON, JSONToYAML) does it: yes, no, on and off
 * are booleans, octal and hexadecimal integers, merge keys, times stay text. Scanning and layout are
 * libyaml's, which is opened with dlopen at first use.
 */
#pragma once

#include "base/json.h"

/*
 * The first document of the text as a tree in the arena, members sorted by name; an empty text is null. Texts
 * are copied. Of equal keys the last counts; `ret_strict` (may be NULL) gets Go's error about them ("yaml:
 * unmarshal errors:\n  line 2: key \"a\" already set in map") or the empty string. Errors: SP_EINVAL with
 * Go's text
 * ("yaml: line 2: …"; upstream often puts "error converting YAML to JSON: " before it); SP_ETOOLARGE: more
 * than SP_LIMIT_YAML_NODES values after aliases, depth, room; SP_EUNSUPPORTED: no libyaml on this machine.
 */
sp_code sp_yaml_parse(sp_arena *a, sp_str text, yyjson_mut_doc *doc, sp_str *ret_strict, yyjson_mut_val **ret,
		      sp_err *err) SP_MUST_USE;

/*
 * Appends the tree as block YAML: keys in natural order (a2 before a10), sequences not indented below their
 * key, text plain where it reads back as text, literal blocks for lines, else in double quotes.
 */
sp_code sp_yaml_write(sp_buf *out, const yyjson_mut_val *v, sp_err *err) SP_MUST_USE;
