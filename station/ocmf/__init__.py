"""OCMF, the Open Charge Metering Format of S.A.F.E. e.V.: read, verified, and held together."""
