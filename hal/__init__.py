"""The board: contactor, pilot, meter, readers. Knows nothing of OCPP or of station."""
