/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate that a process asks the API for and keeps valid: a key, a CertificateSigningRequest, the
 * certificate when somebody approved and signed it, both in one file; and all of it again at a random moment
 * between seven and nine tenths of its life. What fails is tried again, at first after 5 s, then up to 5 min.
 * U: client-go util/certificate.
 */
#pragma once

#include "client/call.h"
#include "io/tls/x509.h"

typedef struct sp_log sp_log;
typedef struct sp_certificate sp_certificate;

typedef struct sp_certificate_opts {
	sp_client *client;
	sp_log *log;
	sp_str path;   /* absolute; PEM: the certificate, then its key; readable by the owner only */
	sp_str signer; /* "kubernetes.io/kubelet-serving" */
	sp_str usages; /* JSON: ["digital signature","client auth"] */
	/* Whom it names: common_name, organizations, dns and ips of at most 8 each. Others do not count. */
	sp_x509_template names;
	/* There is another one in the file; also for the first. From the loop. */
	void (*changed)(void *arg);
	void *arg;
} sp_certificate_opts;

/* Texts are copied. One that is in the file already, names what is wanted and has not ended is kept; else it
 * is asked for at once. Blocks on the disk: at start-up only. */
sp_code sp_certificate_new(const sp_certificate_opts *o, sp_certificate **ret, sp_err *err) SP_MUST_USE;
/* There is one in the file. */
bool sp_certificate_is_there(const sp_certificate *c);
/* Not while its file is written: within sp_certificate_close's done. */
void sp_certificate_close(sp_certificate *c, void (*done)(void *arg), void *arg);
void sp_certificate_free(sp_certificate *c);
