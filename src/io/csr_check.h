/* SPDX-License-Identifier: Apache-2.0 */
/* X.509 inside certificate signing requests. U: kubernetes pkg/apis/certificates (helpers.go, validation). */
#pragma once

#include "base/arena.h"
#include "base/str.h"

/*
 * What is wrong with a PEM certificate request, its signature included; empty when nothing is. Texts
 * are upstream's where the fault is in the PEM; inside the request they say less than Go's.
 */
sp_str sp_csr_request_fault(sp_str pem);
/* True when the subject of a PEM certificate request names that organization (Kubernetes' group). */
bool sp_csr_has_organization(sp_str pem, sp_str organization);
/* What is wrong with PEM certificates as a signer delivers them; the text lies in the arena. */
sp_str sp_csr_certificates_fault(sp_arena *a, sp_str pem);
