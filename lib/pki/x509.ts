/** The X.509 library, with what it needs loaded before it. Loading it takes some 40 ms: import where it is needed. */
import 'reflect-metadata'

export * from '@peculiar/x509'
