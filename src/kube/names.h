/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats of names in Kubernetes objects, with upstream's message texts. A check takes the text and
 * returns what is wrong with it; it allocates nothing, so a caller may run it on any input. Upstream:
 * k8s.io/apimachinery pkg/util/validation/validation.go.
 */
#pragma once

#include "base/str.h"

/* More complaints than this are never made about one text. */
#define SP_NAME_FAULTS_MAX 5

/*
 * What is wrong with a text: complaints in upstream's order, each a constant prefix and a constant text that
 * belong together ("prefix part " + "must be …"). The prefix may be empty. Nothing is wrong when n is 0.
 */
typedef struct sp_name_faults {
	size_t n;
	struct {
		sp_str prefix, text;
	} items[SP_NAME_FAULTS_MAX];
} sp_name_faults;

/* A label of a host name in lower case, at most 63 bytes; digits may come first. */
sp_name_faults sp_name_dns1123_label(sp_str s);
/* Such labels joined by dots, at most 253 bytes in all. */
sp_name_faults sp_name_dns1123_subdomain(sp_str s);
/* As a DNS-1123 label, but a letter comes first: names of Services. */
sp_name_faults sp_name_dns1035_label(sp_str s);
/* Keys of labels and annotations: an optional subdomain and '/', then a name of at most 63 bytes. */
sp_name_faults sp_name_qualified(sp_str s);
/* Values of labels: empty, or at most 63 bytes. */
sp_name_faults sp_name_label_value(sp_str s);
/* Names that only have to fit between two slashes of a URL: the RBAC kinds. */
sp_name_faults sp_name_path_segment(sp_str s);

/*
 * generateName is checked as a name whose end is still missing: a dash at its end counts as a letter. Checks
 * the text with `check` in that way; texts over 253 bytes are checked as they are.
 */
sp_name_faults sp_name_prefix(sp_name_faults (*check)(sp_str s), sp_str s);
